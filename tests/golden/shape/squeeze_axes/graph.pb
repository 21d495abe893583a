
:
xPlaceholder*
dtype0*
shape:
0
ySqueezex*
T0*
squeeze_dims
"ª