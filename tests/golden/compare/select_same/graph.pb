
2
cPlaceholder*
dtype0
*
shape
:
2
xPlaceholder*
dtype0*
shape
:
2
yPlaceholder*
dtype0*
shape
:

zSelectcxy*
T0"ª