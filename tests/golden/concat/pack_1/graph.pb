
2
xPlaceholder*
dtype0*
shape
:
2
yPlaceholder*
dtype0*
shape
:
-
zPackxy*
N*
T0*

axis"ª